<?php

/**
 * Requests are answered at once; a job sleeps for the `ms` of its payload `{"ms":N}`.
 */

declare(strict_types=1);

require __DIR__ . '/../../autoload.php';

RRJobs\AnyWorker::create()
    ->onRequest(static fn() => new RRJobs\Http\Response(200, 'hello'))
    ->onJob(static function ($task): void {
        usleep((int) (json_decode($task->payload, true)['ms'] ?? 0) * 1000);
    })
    ->run();
