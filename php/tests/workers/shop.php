<?php

/**
 * A worker of mode `any` for deploys under load. A request `/push?id=X&ms=N` pushes the job X into the pipeline `work` over a
 * connection to the server that the process keeps for life, and answers with `pushed X`; the job sleeps for N milliseconds and
 * writes the line `X pid end` to the file that LEDGER names. `/?ms=N` answers with `ok VERSION` after N milliseconds. With
 * `until=PATH` in place of `ms` both last until there is such a file.
 *
 * Arguments:
 *   --version=X     what `/` tells; 1 by default
 *   --boot=exit     exits before it is ready
 *   --boot=slow     takes four seconds before it is ready
 *   --boot-rpc      calls the server before it is ready, as programs do that declare metrics
 */

declare(strict_types=1);

require __DIR__ . '/../../autoload.php';

use RRJobs\Http\Request;
use RRJobs\Http\Response;
use RRJobs\Jobs\Job;
use RRJobs\Jobs\Producer;
use RRJobs\Jobs\Task;

$options = getopt('', ['version:', 'boot:', 'boot-rpc']);
if (($options['boot'] ?? '') === 'slow') {
    sleep(4);
} elseif (isset($options['boot'])) {
    fwrite(STDERR, "shop.php does not want to boot\n");
    exit(3);
}

/** What a request or a job takes. */
function work(array $order): void
{
    usleep((int) ($order['ms'] ?? 0) * 1000);
    while (isset($order['until']) && !file_exists($order['until'])) {
        usleep(10_000);
        clearstatcache();
    }
}

$path = getenv('LEDGER') ?: exit("shop.php: set LEDGER to the file to write to\n");
$ledger = fopen($path, 'ab') ?: exit("shop.php: cannot write to {$path}\n");
stream_set_write_buffer($ledger, 0);
$version = $options['version'] ?? '1';
$rpc = RRJobs\Rpc\Client::create();
$producer = new Producer($rpc);
if (isset($options['boot-rpc'])) {
    $rpc->call('rpc.Version', true);
}

RRJobs\AnyWorker::create()
    ->onRequest(static function (Request $request) use ($producer, $version): Response {
        $query = $request->query();
        if ($request->path() === '/push') {
            $id = (string) $query['id'];
            $producer->push('work', Job::json('shop', $query, id: $id));

            return new Response(200, "pushed {$id}");
        }
        work($query);

        return new Response(200, "ok {$version}");
    })
    ->onJob(static function (Task $task) use ($ledger): void {
        work($task->json());
        fwrite($ledger, sprintf("%s %d end\n", $task->id, getmypid()));
    })
    ->run();
