<?php

/**
 * Pushes 53 jobs through the RPC address given, one of them to a pipeline that it declares with the driver and the
 * options (JSON) given, and prints how many it pushed at once and the driver of that pipeline as JSON.
 */

declare(strict_types=1);

use RRJobs\Jobs\Job;
use RRJobs\Jobs\Producer;
use RRJobs\Rpc\Client;

require __DIR__ . '/../../../php/autoload.php';

[, $address, $driver, $options] = $argv;
$producer = new Producer(new Client($address));
$producer->declare('made', $driver, json_decode($options, true, flags: JSON_THROW_ON_ERROR));
$producer->resume('made');
$producer->push('mail', new Job('plain', "\x00\xff", 'id-1', ['a' => ['b', 'c']]));
$producer->push('mail', new Job('later', 'x', 'id-2', delay: 1));
$producer->push('made', new Job('again', 'y', 'id-3', priority: 3));
$jobs = array_map(static fn (int $i): Job => new Job('many', (string) $i, "many-$i"), range(1, 50));
$seen = ['pushed' => $producer->pushMany('mail', $jobs), 'driver' => $producer->stat()['made']->driver];
echo json_encode($seen, JSON_THROW_ON_ERROR);
