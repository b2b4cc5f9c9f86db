<?php

/** Writes what it was given as a line of JSON to the file in SEEN; fails the job `again` once, with a delay. */

declare(strict_types=1);

require __DIR__ . '/../../../php/autoload.php';

$jobs = RRJobs\Jobs\Consumer::create();
while (($task = $jobs->waitTask()) !== null) {
    $seen = [
        'id' => $task->id, 'name' => $task->name, 'pipeline' => $task->pipeline, 'queue' => $task->queue,
        'headers' => $task->headers, 'payload' => bin2hex($task->payload), 'attempt' => $task->attempt(),
    ];
    file_put_contents(getenv('SEEN'), json_encode($seen) . "\n", FILE_APPEND);
    if ($task->name === 'again' && $task->attempt() === 1) {
        $task->requeue('once more', 1);
    } else {
        $task->complete();
    }
}
