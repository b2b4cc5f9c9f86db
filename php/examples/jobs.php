<?php

/**
 * The example's jobs alone.
 */

declare(strict_types=1);

require __DIR__ . '/../autoload.php';
require __DIR__ . '/site/Mailbox.php';

$mailbox = new Example\Mailbox();
RRJobs\Jobs\Consumer::create()->serve($mailbox->send(...));
