<?php

declare(strict_types=1);

namespace RRJobs\Exception;

/**
 * Every exception of this library.
 */
interface RRJobsException extends \Throwable
{
}
