<?php

/**
 * The example's jobs alone.
 */

declare(strict_types=1);

require __DIR__ . '/../autoload.php';
require __DIR__ . '/site/Mailbox.php';

$mailbox = new Example\Mailbox();
$jobs = RRJobs\Jobs\Consumer::create();

while (($task = $jobs->waitTask()) !== null) {
    try {
        $mailbox->send($task);
    } catch (Throwable $error) {
        $task->fail($error);
    }
}
