<?php

declare(strict_types=1);

namespace RRJobs\Jobs;

/**
 * A job to be pushed.
 */
final class Job
{
    public readonly string $id;
    /** @var array<string, string|int|list<string|int>> */
    public readonly array $headers;

    /**
     * @param string                                            $id       left empty it becomes a random UUID
     * @param array<string, string|int|list<string|int>>        $headers
     * @param int                                               $delay    seconds before it may run
     * @param int                                               $priority the lower the sooner; 0 is the pipeline's own
     * @param bool                                              $autoAck  the driver acknowledges on receipt: run at most once
     * @param Retry|null                                        $retry    how it is run again when it fails, if not as its pipeline says
     */
    public function __construct(
        public readonly string $name,
        public readonly string $payload = '',
        string $id = '',
        array $headers = [],
        public readonly int $delay = 0,
        public readonly int $priority = 0,
        public readonly bool $autoAck = false,
        ?Retry $retry = null,
    ) {
        $policy = $retry?->header() ?? '';
        $this->headers = $policy === '' ? $headers : [Retry::HEADER => $policy] + $headers;
        $this->id = $id === '' ? self::uuid() : $id;
    }

    /**
     * A job whose payload is JSON.
     *
     * @param mixed $options the constructor's other arguments, by name
     *
     * @throws \JsonException
     */
    public static function json(string $name, mixed $payload, mixed ...$options): self
    {
        return new self($name, \json_encode($payload, \JSON_THROW_ON_ERROR), ...$options);
    }

    private static function uuid(): string
    {
        $bytes = \random_bytes(16);
        $bytes[6] = \chr(\ord($bytes[6]) & 0x0F | 0x40);
        $bytes[8] = \chr(\ord($bytes[8]) & 0x3F | 0x80);
        $hex = \bin2hex($bytes);

        return \substr($hex, 0, 8) . '-' . \substr($hex, 8, 4) . '-' . \substr($hex, 12, 4) . '-'
            . \substr($hex, 16, 4) . '-' . \substr($hex, 20);
    }
}
