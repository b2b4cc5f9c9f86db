<?php

/**
 * The smallest HTTP worker with PSR-7 objects.
 *
 * PHP_AUTOLOAD names an autoload.php that knows nyholm/psr7; without it Debian's php-nyholm-psr7 is used.
 */

declare(strict_types=1);

require __DIR__ . '/../autoload.php';
require getenv('PHP_AUTOLOAD') ?: '/usr/share/php/Nyholm/Psr7/autoload.php';

use Nyholm\Psr7\Factory\Psr17Factory;
use Nyholm\Psr7\Response;
use RRJobs\Http\Psr7Worker;
use RRJobs\Worker;

$factory = new Psr17Factory();
$http = new Psr7Worker(Worker::create(), $factory, $factory, $factory);

$http->serve(static fn () => new Response(200, ['Content-Type' => 'text/plain'], 'Hello World'));
