<?php

/**
 * stamp_jobs.php on the published package spiral/roadrunner-jobs.
 */

declare(strict_types=1);

require getenv('PHP_AUTOLOAD');

use Spiral\RoadRunner\Jobs\Consumer;

$stamps = fopen(getenv('BENCH_STAMPS') . '/' . getmypid(), 'a');
$consumer = new Consumer();

while (($task = $consumer->waitTask()) !== null) {
    $began = hrtime(true);
    fwrite($stamps, pack('PP', (int) substr($task->getPayload(), 0, 20), $began));
    $task->complete();
}
