<?php

declare(strict_types=1);

namespace RRJobs\Exception;

/**
 * Bytes that are not what the protocol allows at their place.
 */
final class ProtocolException extends \RuntimeException implements RRJobsException
{
}
