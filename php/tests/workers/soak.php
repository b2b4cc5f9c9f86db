<?php

/**
 * Requests and jobs from the same processes, for hours. A request is answered with its query; its path says how: `/fast`, `/slow`
 * (30 ms), `/stream` (in parts), `/crash` (the process ends). Jobs write lines `id pid attempt start|end` into the file that
 * LEDGER names, and do as their payload says: `{"ms":N}` sleeps, `{"die":9}` gets that signal, every time.
 */

declare(strict_types=1);

require __DIR__ . '/../../autoload.php';

use RRJobs\AnyWorker;
use RRJobs\Http\Request;
use RRJobs\Http\Response;
use RRJobs\Jobs\Task;

$path = getenv('LEDGER') ?: exit("soak.php: set LEDGER to the file to write to\n");
$ledger = fopen($path, 'ab') ?: exit("soak.php: cannot write to {$path}\n");
stream_set_write_buffer($ledger, 0);

AnyWorker::create()
    ->onRequest(static function (Request $request): Response {
        switch ($request->path()) {
            case '/crash':
                exit(3);
            case '/slow':
                usleep(30_000);
                break;
            case '/stream':
                return new Response(200, str_split($request->rawQuery));
        }

        return new Response(200, $request->rawQuery);
    })
    ->onJob(static function (Task $task) use ($ledger): void {
        $line = sprintf('%s %d %d', $task->id, getmypid(), $task->attempt());
        fwrite($ledger, "{$line} start\n");
        $order = $task->json();
        usleep(($order['ms'] ?? 0) * 1000);
        if (isset($order['die'])) {
            posix_kill(getmypid(), $order['die']);
        }
        fwrite($ledger, "{$line} end\n");
    })
    ->run();
