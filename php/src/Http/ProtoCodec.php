<?php

declare(strict_types=1);

namespace RRJobs\Http;

use RRJobs\Exception\ProtocolException;
use RRJobs\Goridge\Frame;
use RRJobs\Payload;
use RRJobs\Protobuf\Reader;
use RRJobs\Protobuf\Writer;

/**
 * Contexts as protobuf messages: `http.v1.Request` and `http.v1.Response`.
 */
final class ProtoCodec implements Codec
{
    private const TEXTS = [1 => 'remoteAddr', 2 => 'protocol', 3 => 'method', 4 => 'uri', 7 => 'rawQuery', 9 => 'uploads'];
    private const MAPS = [5 => 'headers', 6 => 'cookies', 10 => 'attributes'];
    private const PARSED = 8;

    public function flag(): int
    {
        return Frame::PROTO;
    }

    public function request(Payload $payload): Request
    {
        [$texts, $maps, $parsed] = self::fields($payload->context);

        return new Request(
            $texts['remoteAddr'] ?? '',
            $texts['protocol'] ?? '',
            $texts['method'] ?? throw new ProtocolException('the context of a request has no method'),
            $texts['uri'] ?? '',
            $maps['headers'] ?? [],
            \array_map(static fn (array $values): string => \implode(',', $values), $maps['cookies'] ?? []),
            $texts['rawQuery'] ?? '',
            \array_map(static fn (array $values): string => $values[0] ?? '', $maps['attributes'] ?? []),
            $payload->body,
            $parsed,
            self::uploads($texts['uploads'] ?? ''),
        );
    }

    public function head(int $status, array $headers): string
    {
        $fields = Writer::int(1, $status);
        foreach ($headers as $name => $values) {
            $list = '';
            foreach ($values as $value) {
                $list .= Writer::message(1, $value);
            }
            $fields .= Writer::message(2, Writer::bytes(1, (string) $name) . Writer::message(2, $list));
        }

        return $fields;
    }

    /**
     * @return array{array<string, string>, array<string, array<string, list<string>>>, bool}
     */
    private static function fields(string $context): array
    {
        $texts = $maps = [];
        $parsed = false;
        $reader = new Reader($context);
        while (($field = $reader->next()) !== 0) {
            if (isset(self::TEXTS[$field])) {
                $texts[self::TEXTS[$field]] = $reader->bytes();
            } elseif (isset(self::MAPS[$field])) {
                [$name, $values] = self::entry($reader->bytes());
                $maps[self::MAPS[$field]][$name] = $values;
            } elseif ($field === self::PARSED) {
                $parsed = $reader->int() !== 0;
            } else {
                $reader->skip();
            }
        }
        foreach ($maps['headers'] ?? [] as $name => $_) {
            if (\is_int($name) || $name === '') {
                unset($maps['headers'][$name]);
            }
        }

        return [$texts, $maps, $parsed];
    }

    /**
     * One entry of a map from names to lists of values.
     *
     * @return array{string, list<string>}
     */
    private static function entry(string $entry): array
    {
        $name = '';
        $values = [];
        $reader = new Reader($entry);
        while (($field = $reader->next()) !== 0) {
            if ($field === 1) {
                $name = $reader->bytes();
            } elseif ($field === 2) {
                \array_push($values, ...self::values($reader->bytes()));
            } else {
                $reader->skip();
            }
        }

        return [$name, $values];
    }

    /**
     * @return list<string>
     */
    private static function values(string $message): array
    {
        $values = [];
        $reader = new Reader($message);
        while (($field = $reader->next()) !== 0) {
            if ($field === 1) {
                $values[] = $reader->bytes();
            } else {
                $reader->skip();
            }
        }

        return $values;
    }

    /**
     * @return array<mixed>
     */
    private static function uploads(string $json): array
    {
        if ($json === '' || $json === 'null') {
            return [];
        }
        $uploads = \json_decode($json, true);
        if (!\is_array($uploads)) {
            throw new ProtocolException('the uploads of a request are no JSON object');
        }

        return $uploads;
    }
}
