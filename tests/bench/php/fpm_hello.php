<?php

/**
 * The answer of the HTTP hello programs, as a page of php-fpm.
 */

declare(strict_types=1);

header('Content-Type: text/plain');
echo 'Hello World';
