<?php

/**
 * Writes the id of every job to the file MISSING that is not noted in the file LENT, as lent with its first attempt, when
 * its execution begins. The id of a job is the number of its entry.
 */

declare(strict_types=1);

require __DIR__ . '/../../autoload.php';

RRJobs\Jobs\Consumer::create()->serve(static function (RRJobs\Jobs\Task $task): void {
    $words = unpack('P*', (string) file_get_contents((string) getenv('LENT')));
    for ($at = 1; $at < count($words); $at += 2) {
        if ($words[$at] === (int) $task->id && $words[$at + 1] === 1) {
            return;
        }
    }
    file_put_contents((string) getenv('MISSING'), "{$task->id}\n", FILE_APPEND);
});
