<?php

/**
 * One worker for both: it serves the example's website and runs the jobs that the website pushes.
 */

declare(strict_types=1);

require __DIR__ . '/../autoload.php';
require __DIR__ . '/site/Mailbox.php';
require __DIR__ . '/site/Site.php';

$mailbox = new Example\Mailbox();
$site = new Example\Site($mailbox);

RRJobs\AnyWorker::create()
    ->onRequest($site->handle(...))
    ->onJob($mailbox->send(...))
    ->run();
