<?php

declare(strict_types=1);

namespace RRJobs\Jobs;

/**
 * How a pipeline stands.
 */
final class PipelineState
{
    /**
     * @param int  $active   jobs that wait
     * @param int  $delayed  jobs whose delay is not over
     * @param int  $reserved jobs that were taken from the broker and are not settled
     * @param bool $ready    whether it consumes
     */
    public function __construct(
        public readonly string $pipeline,
        public readonly string $driver,
        public readonly string $queue,
        public readonly int $active,
        public readonly int $delayed,
        public readonly int $reserved,
        public readonly bool $ready,
        public readonly int $priority,
    ) {
    }
}
