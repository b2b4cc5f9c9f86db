<?php

/**
 * Calls rpc.Version for some seconds, prints calls per second: rpc_calls.php ADDRESS SECONDS.
 */

declare(strict_types=1);

require __DIR__ . '/../../../php/autoload.php';

use RRJobs\Rpc\Client;

const BETWEEN_LOOKS = 50;

$client = new Client($argv[1]);
$client->call('rpc.Version', true);
$calls = 0;
$began = hrtime(true);
do {
    for ($call = 0; $call < BETWEEN_LOOKS; $call++) {
        $client->call('rpc.Version', true);
    }
    $calls += BETWEEN_LOOKS;
    $passed = (hrtime(true) - $began) / 1e9;
} while ($passed < (float) $argv[2]);

echo $calls / $passed, "\n";
