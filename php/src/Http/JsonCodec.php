<?php

declare(strict_types=1);

namespace RRJobs\Http;

use RRJobs\Exception\ProtocolException;
use RRJobs\Goridge\Frame;
use RRJobs\Payload;

/**
 * Contexts as JSON objects.
 */
final class JsonCodec implements Codec
{
    public function flag(): int
    {
        return Frame::JSON;
    }

    public function request(Payload $payload): Request
    {
        $context = \json_decode($payload->context, true);
        if (!\is_array($context)) {
            throw new ProtocolException('the context of a request is no JSON object');
        }
        try {
            return new Request(
                $context['remoteAddr'] ?? null,
                $context['protocol'] ?? null,
                $context['method'] ?? null,
                $context['uri'] ?? null,
                self::named($context['headers'] ?? []),
                $context['cookies'] ?? [],
                $context['rawQuery'] ?? null,
                $context['attributes'] ?? [],
                $payload->body,
                $context['parsed'] ?? null,
                $context['uploads'] ?? [],
            );
        } catch (\TypeError $wrong) {
            throw new ProtocolException('the context of a request: ' . $wrong->getMessage(), 0, $wrong);
        }
    }

    public function head(int $status, array $headers): string
    {
        try {
            return \json_encode(['status' => $status, 'headers' => $headers ?: new \stdClass()], \JSON_THROW_ON_ERROR);
        } catch (\JsonException $wrong) {
            throw new \InvalidArgumentException('a header is not UTF-8 and cannot be sent', 0, $wrong);
        }
    }

    /**
     * Without the names that PHP turned into numbers, and the empty one.
     *
     * @param array<int|string, list<string>> $headers
     *
     * @return array<string, list<string>>
     */
    private static function named(array $headers): array
    {
        foreach ($headers as $name => $_) {
            if (\is_int($name) || $name === '') {
                unset($headers[$name]);
            }
        }

        return $headers;
    }
}
