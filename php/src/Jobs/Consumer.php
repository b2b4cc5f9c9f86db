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
     * Give each job to the handler, until the server ends the worker. A job is completed when the handler returns, unless it
     * settled it. What it throws fails that job alone.
     *
     * @param callable(Task): void $handler
     *
     * @throws RelayException
     */
    public function serve(callable $handler): void
    {
        while (($task = $this->waitTask()) !== null) {
            try {
                $handler($task);
                if (!$task->isSettled()) {
                    $task->complete(true);
                }
            } catch (RelayException $gone) {
                throw $gone;
            } catch (\Throwable $error) {
                $this->worker->error((string) $error);
            }
        }
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
