<?php

/**
 * A jobs worker that writes down what it does: lines `id pid attempt start` and `id pid attempt end` in the file that LEDGER
 * names, each in one write, whatever other workers write at the same time. In between it sleeps for the `ms` of its payload
 * `{"ms":N}`; with `{"die":9}` it then gets that signal, every time; with `{"fail":N}` its first N attempts fail, and write
 * `failed` in place of `end`. `attempt` is what the server says.
 */

declare(strict_types=1);

require __DIR__ . '/../../autoload.php';

$path = getenv('LEDGER') ?: exit("ledger.php: set LEDGER to the file to write to\n");
$ledger = fopen($path, 'ab') ?: exit("ledger.php: cannot write to {$path}\n");
stream_set_write_buffer($ledger, 0);

$jobs = RRJobs\Jobs\Consumer::create();
while (($task = $jobs->waitTask()) !== null) {
    $line = sprintf('%s %d %d', $task->id, getmypid(), $task->attempt());
    fwrite($ledger, "{$line} start\n");
    $order = json_decode($task->payload, true);
    $ms = (int) ($order['ms'] ?? 0);
    if ($ms > 0) {
        usleep($ms * 1000);
    }
    if (isset($order['die'])) {
        posix_kill(getmypid(), (int) $order['die']);
    }
    if ($task->attempt() <= ($order['fail'] ?? 0)) {
        fwrite($ledger, "{$line} failed\n");
        $task->fail('not yet');
        continue;
    }
    fwrite($ledger, "{$line} end\n");
    $task->complete();
}
