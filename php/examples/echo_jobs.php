<?php

/**
 * The smallest jobs worker: every job is done at once.
 */

declare(strict_types=1);

require __DIR__ . '/../autoload.php';

RRJobs\Jobs\Consumer::create()->serve(static function (): void {
});
