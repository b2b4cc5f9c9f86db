<?php

declare(strict_types=1);

namespace RRJobs\Jobs;

/**
 * Values of a retry policy for one job, in place of its pipeline's; null leaves the pipeline's.
 *
 * The server refuses a push with values that cannot be.
 */
final class Retry
{
    /** The header that carries them. */
    public const HEADER = 'rr-retry';

    /**
     * @param int|null   $maxAttempts runs in all
     * @param float|null $initial     seconds before the second run
     * @param float|null $factor      each wait is so many times the one before
     * @param float|null $max         longest wait in seconds
     * @param float|null $jitter      part of each wait that is left to chance, 0 to 1
     * @param float|null $retryFor    seconds after the push in which a retry may begin; 0 is no limit
     * @param int|null   $maxCrashes  workers the job may take down
     */
    public function __construct(
        public readonly ?int $maxAttempts = null,
        public readonly ?float $initial = null,
        public readonly ?float $factor = null,
        public readonly ?float $max = null,
        public readonly ?float $jitter = null,
        public readonly ?float $retryFor = null,
        public readonly ?int $maxCrashes = null,
    ) {
    }

    /**
     * The values that are given, by the names the server knows.
     *
     * @return array<string, int|float>
     */
    public function values(): array
    {
        return \array_filter([
            'max_attempts' => $this->maxAttempts,
            'initial' => $this->initial,
            'factor' => $this->factor,
            'max' => $this->max,
            'jitter' => $this->jitter,
            'retry_for' => $this->retryFor,
            'max_crashes' => $this->maxCrashes,
        ], static fn (int|float|null $value): bool => $value !== null);
    }

    /**
     * The header's value; '' when nothing is given.
     */
    public function header(): string
    {
        $pairs = [];
        foreach ($this->values() as $name => $value) {
            $duration = \in_array($name, ['initial', 'max', 'retry_for'], true);
            $pairs[] = $name . '=' . ($duration ? \sprintf('%.6Fs', $value) : \var_export($value, true));
        }

        return \implode(',', $pairs);
    }
}
