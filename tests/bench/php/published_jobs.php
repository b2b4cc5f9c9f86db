<?php

/**
 * A worker on the published package spiral/roadrunner-jobs: every job is done at once.
 */

declare(strict_types=1);

require getenv('PHP_AUTOLOAD');

use Spiral\RoadRunner\Jobs\Consumer;

$consumer = new Consumer();

while (($task = $consumer->waitTask()) !== null) {
    $task->complete();
}
