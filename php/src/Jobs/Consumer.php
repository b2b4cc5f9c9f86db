<?php

declare(strict_types=1);

namespace RRJobs\Jobs;

use RRJobs\Exception\ProtocolException;
use RRJobs\Exception\RelayException;
use RRJobs\Payload;
use RRJobs\Worker;

/**
 * Takes jobs.
 */
final class Consumer
{
    public function __construct(public readonly Worker $worker)
    {
    }

    public static function create(): self
    {
        return new self(Worker::create());
    }

    /**
     * The next job; null when the worker has to end. A context that cannot be read is answered with an error.
     *
     * @throws RelayException
     */
    public function waitTask(): ?Task
    {
        while (($payload = $this->worker->waitPayload()) !== null) {
            try {
                return $this->task($payload);
            } catch (ProtocolException $wrong) {
                $this->worker->error($wrong->getMessage());
            }
        }

        return null;
    }

    /**
     * The job in a payload.
     *
     * @throws ProtocolException
     */
    public function task(Payload $payload): Task
    {
        $context = \json_decode($payload->context, true);
        if (!\is_array($context)) {
            throw new ProtocolException('the context of a job is no JSON object');
        }
        try {
            return new Task(
                $this->worker,
                $context['id'] ?? null,
                $context['job'] ?? null,
                $context['pipeline'] ?? 'unknown',
                $context['queue'] ?? 'unknown',
                $context['driver'] ?? 'unknown',
                $context['headers'] ?? [],
                $payload->body,
                $context,
            );
        } catch (\TypeError $wrong) {
            throw new ProtocolException('the context of a job: ' . $wrong->getMessage(), 0, $wrong);
        }
    }
}
