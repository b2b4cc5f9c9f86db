<?php

declare(strict_types=1);

namespace RRJobs\Http;

use RRJobs\Exception\ProtocolException;
use RRJobs\Payload;

/**
 * The contexts of requests and answers in one of the two codecs.
 */
interface Codec
{
    /**
     * The frame flag of this codec.
     */
    public function flag(): int;

    /**
     * @throws ProtocolException
     */
    public function request(Payload $payload): Request;

    /**
     * The head of an answer.
     *
     * @param array<int|string, list<string>> $headers
     */
    public function head(int $status, array $headers): string;
}
