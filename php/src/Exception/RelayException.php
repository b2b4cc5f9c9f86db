<?php

declare(strict_types=1);

namespace RRJobs\Exception;

/**
 * The connection to the server cannot be opened, broke, or timed out.
 */
final class RelayException extends \RuntimeException implements RRJobsException
{
}
