<?php

declare(strict_types=1);

namespace RRJobs\Exception;

/**
 * Thrown into a generator at its yield: nobody listens to the stream any more.
 */
final class StreamStoppedException extends \RuntimeException implements RRJobsException
{
}
