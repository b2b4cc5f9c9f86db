<?php

/**
 * The smallest HTTP worker.
 */

declare(strict_types=1);

require __DIR__ . '/../autoload.php';

$http = RRJobs\Http\HttpWorker::create();

while ($http->waitRequest() !== null) {
    $http->respond(200, 'Hello World', ['Content-Type' => 'text/plain']);
}
