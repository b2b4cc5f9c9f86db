<?php

declare(strict_types=1);

namespace RRJobs;

use RRJobs\Goridge\Frame;

/**
 * What the server asks of the worker: one request, or one job.
 */
final class Payload
{
    /**
     * @param string $context what it is, in the codec the flags name
     * @param string $body    the request's body, or the job's payload
     * @param int    $flags   the frame's flags, see {@see Frame}
     */
    public function __construct(
        public readonly string $context,
        public readonly string $body,
        public readonly int $flags,
    ) {
    }

    /**
     * Jobs come with the raw codec, requests with JSON or protobuf.
     */
    public function isJob(): bool
    {
        return ($this->flags & Frame::RAW) !== 0;
    }
}
