<?php

declare(strict_types=1);

namespace RRJobs\Jobs;

use RRJobs\Exception\ProtocolException;
use RRJobs\Headers;
use RRJobs\Protobuf\Reader;
use RRJobs\Protobuf\Writer;

/**
 * The protobuf messages of the jobs service (`jobs.v1`).
 */
final class Messages
{
    /**
     * `Job`, which is field 1 of PushRequest and, repeated, of PushBatchRequest.
     */
    public static function job(string $pipeline, Job $job): string
    {
        $options = Writer::int(1, $job->priority)
            . Writer::bytes(2, $pipeline)
            . Writer::int(3, $job->delay)
            . Writer::bool(6, $job->autoAck);
        $fields = Writer::bytes(1, $job->name) . Writer::bytes(2, $job->id) . Writer::bytes(3, $job->payload);
        foreach (Headers::lists($job->headers) as $name => $values) {
            if ($values !== []) {
                $fields .= Writer::message(4, Writer::bytes(1, (string) $name) . Writer::message(2, self::texts($values)));
            }
        }

        return Writer::message(1, $fields . Writer::message(5, $options));
    }

    /**
     * A message of one repeated string: HeaderValue, Pipelines.
     *
     * @param iterable<string> $texts
     */
    public static function texts(iterable $texts): string
    {
        $fields = '';
        foreach ($texts as $text) {
            $fields .= Writer::message(1, $text);
        }

        return $fields;
    }

    /**
     * The elements of a message of one repeated string or message.
     *
     * @return list<string>
     *
     * @throws ProtocolException
     */
    public static function elements(string $message): array
    {
        $elements = [];
        $reader = new Reader($message);
        while (($field = $reader->next()) !== 0) {
            if ($field === 1) {
                $elements[] = $reader->bytes();
            } else {
                $reader->skip();
            }
        }

        return $elements;
    }

    /**
     * @throws ProtocolException
     */
    public static function state(string $stat): PipelineState
    {
        $values = [1 => '', '', '', 0, 0, 0, 0, 0];
        $reader = new Reader($stat);
        while (($field = $reader->next()) !== 0) {
            if ($field > 8) {
                $reader->skip();
            } else {
                $values[$field] = $field <= 3 ? $reader->bytes() : $reader->int();
            }
        }
        $values[7] = $values[7] !== 0;

        return new PipelineState(...\array_values($values));
    }

    /**
     * DeclareRequest: every value becomes a text, lists and maps become JSON.
     *
     * @param array<string, mixed> $settings
     */
    public static function declaration(array $settings): string
    {
        return Writer::map(1, \array_map(
            static fn (mixed $value): string => match (true) {
                \is_bool($value) => $value ? 'true' : 'false',
                \is_scalar($value), $value instanceof \Stringable => (string) $value,
                default => \json_encode($value, \JSON_THROW_ON_ERROR),
            },
            $settings,
        ));
    }
}
