<?php

/** Pushes through the RPC address given, declares a pipeline on RabbitMQ, and prints what it saw as JSON. */

declare(strict_types=1);

use RRJobs\Jobs\Job;
use RRJobs\Jobs\Producer;
use RRJobs\Rpc\Client;

require __DIR__ . '/../../../php/autoload.php';

[, $address, $queue] = $argv;
$producer = new Producer(new Client($address));
$producer->declare('made', 'amqp', [
    'queue' => $queue, 'routing_key' => $queue, 'exchange' => $queue, 'durable' => true, 'exchange_durable' => true,
    'queue_headers' => ['x-max-priority' => 5], 'prefetch' => 10,
]);
$producer->resume('made');
$producer->push('mail', new Job('plain', "\x00\xff", 'id-1', ['a' => ['b', 'c']]));
$producer->push('mail', new Job('later', 'x', 'id-2', delay: 1));
$producer->push('made', new Job('again', 'y', 'id-3', priority: 3));
$jobs = array_map(static fn (int $i): Job => new Job('many', (string) $i, "many-$i"), range(1, 50));
$seen = ['pushed' => $producer->pushMany('mail', $jobs), 'stat' => $producer->stat()['made']->driver];
try {
    $producer->push('mail', new Job('lost', '', 'id-4', ['x-routing-key' => ['nowhere']]));
} catch (Throwable $error) {
    $seen['error'] = $error->getMessage();
}
echo json_encode($seen, JSON_THROW_ON_ERROR);
