<?php

declare(strict_types=1);

namespace RRJobs;

/**
 * Headers as programs like to write them, made what the server reads: names to lists of texts.
 */
final class Headers
{
    /**
     * @param array<int|string, string|int|float|\Stringable|array<string|int|float|\Stringable>> $headers
     *
     * @return array<int|string, list<string>>
     */
    public static function lists(array $headers): array
    {
        foreach ($headers as $name => $value) {
            if (!\is_array($value)) {
                $headers[$name] = [(string) $value];
            } else {
                $headers[$name] = \array_values(\array_map('strval', $value));
            }
        }

        return $headers;
    }
}
