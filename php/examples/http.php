<?php

/**
 * The example's website alone; its jobs are run by jobs.php in another pool.
 */

declare(strict_types=1);

require __DIR__ . '/../autoload.php';
require __DIR__ . '/site/Mailbox.php';
require __DIR__ . '/site/Site.php';

$site = new Example\Site(new Example\Mailbox());
RRJobs\Http\HttpWorker::create()->serve($site->handle(...));
