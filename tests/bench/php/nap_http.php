<?php

/**
 * Takes 100 ms for a request; answers with the moment it began: CLOCK_MONOTONIC nanoseconds.
 */

declare(strict_types=1);

require __DIR__ . '/../../../php/autoload.php';

use RRJobs\Http\HttpWorker;
use RRJobs\Http\Response;

HttpWorker::create()->serve(static function (): Response {
    $began = hrtime(true);
    usleep(100_000);
    return new Response(200, (string) $began);
});
