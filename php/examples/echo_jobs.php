<?php

/**
 * The smallest jobs worker: every job is done at once.
 */

declare(strict_types=1);

require __DIR__ . '/../autoload.php';

$jobs = RRJobs\Jobs\Consumer::create();

while (($task = $jobs->waitTask()) !== null) {
    $task->complete();
}
