<?php

/**
 * A jobs worker that writes down what it does: lines `id pid attempt start` and `id pid attempt end` in the file that LEDGER
 * names, each in one write, whatever other workers write at the same time. In between it sleeps for the `ms` of its payload
 * `{"ms":N}`. `attempt` is the header of that name, or 1.
 */

declare(strict_types=1);

require __DIR__ . '/../../autoload.php';

$path = getenv('LEDGER') ?: exit("ledger.php: set LEDGER to the file to write to\n");
$ledger = fopen($path, 'ab') ?: exit("ledger.php: cannot write to {$path}\n");
stream_set_write_buffer($ledger, 0);

$jobs = RRJobs\Jobs\Consumer::create();
while (($task = $jobs->waitTask()) !== null) {
    $line = sprintf('%s %d %s', $task->id, getmypid(), $task->header('attempt', '1'));
    fwrite($ledger, "{$line} start\n");
    $ms = (int) (json_decode($task->payload, true)['ms'] ?? 0);
    if ($ms > 0) {
        usleep($ms * 1000);
    }
    fwrite($ledger, "{$line} end\n");
    $task->complete();
}
