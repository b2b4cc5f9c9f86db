<?php

/**
 * Notes when each job was pushed and when it began here: two little-endian 64-bit numbers of CLOCK_MONOTONIC nanoseconds.
 */

declare(strict_types=1);

require __DIR__ . '/../../../php/autoload.php';

use RRJobs\Jobs\Consumer;
use RRJobs\Jobs\Task;

$stamps = fopen(getenv('BENCH_STAMPS') . '/' . getmypid(), 'a');

Consumer::create()->serve(static function (Task $task) use ($stamps): void {
    $began = hrtime(true);
    fwrite($stamps, pack('PP', (int) substr($task->payload, 0, 20), $began));
});
