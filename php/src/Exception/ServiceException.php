<?php

declare(strict_types=1);

namespace RRJobs\Exception;

/**
 * The server answered an RPC call with an error.
 */
final class ServiceException extends \RuntimeException implements RRJobsException
{
    /**
     * @param string $text what the server said
     */
    public function __construct(public readonly string $method, public readonly string $text, string $address)
    {
        parent::__construct("Error '{$text}' on {$address}");
    }
}
