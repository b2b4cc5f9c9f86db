<?php

declare(strict_types=1);

namespace RRJobs\Jobs;

use RRJobs\Exception\RRJobsException;
use RRJobs\Rpc\Client;
use RRJobs\Rpc\Codec;

/**
 * Pushes jobs, and looks after pipelines.
 *
 * Every method may throw what {@see Client::call} does.
 */
final class Producer
{
    /** Bytes of jobs in one call; the server takes 64 MiB at most. */
    private const MAX_BATCH_BYTES = 1048576;

    public function __construct(private readonly Client $rpc)
    {
    }

    /**
     * A producer for the server that runs this worker.
     */
    public static function create(): self
    {
        return new self(Client::create());
    }

    /**
     * The server has the job when this returns.
     *
     * @return string the job's id
     *
     * @throws RRJobsException
     */
    public function push(string $pipeline, Job $job): string
    {
        $this->call('jobs.Push', Messages::job($pipeline, $job));

        return $job->id;
    }

    /**
     * Push in batches; when one fails, those before it, and possibly jobs at its beginning, are pushed.
     *
     * @param iterable<Job> $jobs
     * @param int           $batch jobs in one call at most
     *
     * @return int how many were pushed
     *
     * @throws RRJobsException
     */
    public function pushMany(string $pipeline, iterable $jobs, int $batch = 500): int
    {
        $pushed = $count = 0;
        $messages = '';
        foreach ($jobs as $job) {
            $messages .= Messages::job($pipeline, $job);
            if (++$count >= $batch || \strlen($messages) >= self::MAX_BATCH_BYTES) {
                $this->call('jobs.PushBatch', $messages);
                $pushed += $count;
                $count = 0;
                $messages = '';
            }
        }
        if ($count > 0) {
            $this->call('jobs.PushBatch', $messages);
        }

        return $pushed + $count;
    }

    /**
     * Make a pipeline. It is paused until {@see resume}, unless `jobs.consume` of the server's configuration names it.
     *
     * @param array<string, mixed> $settings the driver's own, and `priority`
     *
     * @throws RRJobsException
     */
    public function declare(string $name, string $driver, array $settings = []): void
    {
        $this->call('jobs.Declare', Messages::declaration(['name' => $name, 'driver' => $driver] + $settings));
    }

    /**
     * @throws RRJobsException
     */
    public function pause(string ...$pipelines): void
    {
        $this->call('jobs.Pause', Messages::texts($pipelines));
    }

    /**
     * @throws RRJobsException
     */
    public function resume(string ...$pipelines): void
    {
        $this->call('jobs.Resume', Messages::texts($pipelines));
    }

    /**
     * @return list<string> those that were destroyed
     *
     * @throws RRJobsException
     */
    public function destroy(string ...$pipelines): array
    {
        return Messages::elements($this->call('jobs.Destroy', Messages::texts($pipelines)));
    }

    /**
     * @return list<string> the names of all pipelines
     *
     * @throws RRJobsException
     */
    public function list(): array
    {
        return Messages::elements($this->call('jobs.List', ''));
    }

    /**
     * @return array<string, PipelineState> by name
     *
     * @throws RRJobsException
     */
    public function stat(): array
    {
        $states = [];
        foreach (Messages::elements($this->call('jobs.Stat', '')) as $stat) {
            $state = Messages::state($stat);
            $states[$state->pipeline] = $state;
        }

        return $states;
    }

    private function call(string $method, string $message): string
    {
        return $this->rpc->call($method, $message, Codec::Proto);
    }
}
