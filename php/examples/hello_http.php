<?php

/**
 * The smallest HTTP worker.
 */

declare(strict_types=1);

require __DIR__ . '/../autoload.php';

use RRJobs\Http\HttpWorker;
use RRJobs\Http\Response;

HttpWorker::create()->serve(static fn () => new Response(200, 'Hello World', ['Content-Type' => 'text/plain']));
