<?php

/**
 * rpc_calls.php on the published package spiral/goridge.
 */

declare(strict_types=1);

require getenv('PHP_AUTOLOAD');

use Spiral\Goridge\RPC\RPC;

const BETWEEN_LOOKS = 50;

$rpc = RPC::create($argv[1]);
$rpc->call('rpc.Version', true);
$calls = 0;
$began = hrtime(true);
do {
    for ($call = 0; $call < BETWEEN_LOOKS; $call++) {
        $rpc->call('rpc.Version', true);
    }
    $calls += BETWEEN_LOOKS;
    $passed = (hrtime(true) - $began) / 1e9;
} while ($passed < (float) $argv[2]);

echo $calls / $passed, "\n";
