<?php

declare(strict_types=1);

namespace RRJobs\Http;

/**
 * An answer to a request.
 */
final class Response
{
    /**
     * @param string|\Stringable|iterable<string|\Stringable>        $body    see {@see HttpWorker::respond}
     * @param array<string, string|int|float|list<string|int|float>> $headers
     */
    public function __construct(
        public readonly int $status = 200,
        public readonly string|\Stringable|iterable $body = '',
        public readonly array $headers = [],
    ) {
    }
}
