<?php

/** Pushes jobs and looks after pipelines through the RPC address given; prints what it saw as JSON. */

declare(strict_types=1);

use RRJobs\Jobs\Job;
use RRJobs\Jobs\Producer;
use RRJobs\Rpc\Client;

require __DIR__ . '/../../php/autoload.php';

$rpc = new Client($argv[1]);
$producer = new Producer($rpc);
$jobs = (static function (): iterable {
    for ($i = 0; $i < 500; ++$i) {
        yield new Job('ping', "payload $i \xff", "id-$i", ['n' => [(string) $i]], priority: 1 + $i % 3);
    }
})();
$seen = ['pushed' => $producer->pushMany('test', $jobs)];
$producer->push('test', new Job('later', '', 'late', delay: 60, autoAck: true));
$producer->declare('made', 'memory', ['prefetch' => 10, 'priority' => 3]);
$seen['list'] = $producer->list();
$seen['active'] = $producer->stat()['test']->active;
$seen['delayed'] = $producer->stat()['test']->delayed;
$seen['ready'] = $producer->stat()['made']->ready;
$producer->resume('made');
$seen['resumed'] = $producer->stat()['made']->ready;
try {
    $producer->push('nope', new Job('ping'));
} catch (Throwable $error) {
    $seen['error'] = $error->getMessage();
}
$seen['destroyed'] = $producer->destroy('made');
$seen['version'] = $rpc->call('rpc.Version', true);
echo json_encode($seen, JSON_THROW_ON_ERROR);
