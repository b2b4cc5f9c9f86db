<?php

/**
 * The HTTP hello on the published packages spiral/roadrunner-http and nyholm/psr7.
 */

declare(strict_types=1);

require getenv('PHP_AUTOLOAD');

use Nyholm\Psr7\Factory\Psr17Factory;
use Nyholm\Psr7\Response;
use Spiral\RoadRunner\Http\PSR7Worker;
use Spiral\RoadRunner\Worker;

$factory = new Psr17Factory();
$http = new PSR7Worker(Worker::create(), $factory, $factory, $factory);

while ($http->waitRequest() !== null) {
    $http->respond(new Response(200, ['Content-Type' => 'text/plain'], 'Hello World'));
}
