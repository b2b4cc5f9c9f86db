<?php

declare(strict_types=1);

namespace RRJobs\Jobs;

use RRJobs\Exception\AlreadyAnsweredException;
use RRJobs\Exception\RelayException;
use RRJobs\Headers;
use RRJobs\Worker;

/**
 * One delivery of a job. Say once what became of it.
 */
final class Task
{
    private const ATTEMPT = 'rr-attempt';
    private const CRASHES = 'rr-crashes';
    private const INTERRUPTIONS = 'rr-interruptions';
    private const PUSHED_AT = 'rr-pushed-at';
    private const SUCCESS = '{"type":0,"data":[]}';
    private const ACK = '{"type":2,"data":[]}';
    private const ERROR_TYPE = 1;
    private const NACK_TYPE = 3;
    private const REQUEUE_TYPE = 4;

    private bool $settled = false;
    private readonly int $turn;

    /**
     * @param string                             $name    the job's name
     * @param string                             $queue   the broker's queue, tube, stream or topic; `unknown` for memory
     * @param string                             $driver  `memory`, `amqp`, `kafka`, ...
     * @param array<int|string, list<string>>    $headers
     * @param array<string, mixed>               $context all that the server said about the job
     */
    public function __construct(
        private readonly Worker $worker,
        public readonly string $id,
        public readonly string $name,
        public readonly string $pipeline,
        public readonly string $queue,
        public readonly string $driver,
        public readonly array $headers,
        public readonly string $payload,
        public readonly array $context = [],
    ) {
        $this->turn = $worker->turn();
    }

    /**
     * The payload as JSON.
     *
     * @throws \JsonException
     */
    public function json(): mixed
    {
        return \json_decode($this->payload, true, 512, \JSON_THROW_ON_ERROR);
    }

    /**
     * The first value of a header; names are compared as they are.
     */
    public function header(string $name, string $default = ''): string
    {
        return $this->headers[$name][0] ?? $default;
    }

    /**
     * Which run of the job this is, from 1.
     */
    public function attempt(): int
    {
        return \max(1, (int) $this->header(self::ATTEMPT, '1'));
    }

    /**
     * How many workers the job has taken down before.
     */
    public function crashes(): int
    {
        return \max(0, (int) $this->header(self::CRASHES, '0'));
    }

    /**
     * How many servers were killed while a worker had the job; those runs count as attempts too.
     */
    public function interruptions(): int
    {
        return \max(0, (int) $this->header(self::INTERRUPTIONS, '0'));
    }

    /**
     * When the job was pushed; null in its first run, where the server does not say.
     */
    public function pushedAt(): ?\DateTimeImmutable
    {
        $seconds = $this->header(self::PUSHED_AT);

        return \is_numeric($seconds)
            ? (\DateTimeImmutable::createFromFormat('U.u', \sprintf('%.6F', (float) $seconds)) ?: null)
            : null;
    }

    /**
     * Done.
     *
     * @param bool $done see {@see Worker::respond}
     *
     * @throws AlreadyAnsweredException|RelayException
     */
    public function complete(bool $done = false): void
    {
        $this->settle(self::SUCCESS, $done);
    }

    /**
     * Done; the same as {@see complete} in the words of the brokers.
     *
     * @throws AlreadyAnsweredException|RelayException
     */
    public function ack(): void
    {
        $this->settle(self::ACK);
    }

    /**
     * Failed. Without `$requeue` the broker forgets the job, as with every RoadRunner; the retry policy of the pipeline, where
     * it has one, decides otherwise.
     *
     * @param int              $delay seconds before it is delivered again
     * @param bool|Retry|null  $retry false: another run is of no use, keep it as a dead letter; a Retry: run it again by these
     *                                values instead of the pipeline's
     *
     * @throws AlreadyAnsweredException|RelayException
     */
    public function fail(
        string|\Stringable $error,
        bool $requeue = false,
        int $delay = 0,
        bool|Retry|null $retry = null,
    ): void {
        $this->settle(self::answer(self::ERROR_TYPE, (string) $error, $requeue, $delay, $this->headers, $retry));
    }

    /**
     * Refused: the driver's own way of giving a message back, or of dropping or dead-lettering it.
     *
     * @throws AlreadyAnsweredException|RelayException
     */
    public function nack(string|\Stringable $message, bool $requeue = false, int $delay = 0): void
    {
        $this->settle(self::answer(self::NACK_TYPE, (string) $message, $requeue, $delay, []));
    }

    /**
     * Once more, later, with headers laid over those it has.
     *
     * @param array<string, string|int|list<string|int>> $headers
     *
     * @throws AlreadyAnsweredException|RelayException
     */
    public function requeue(string|\Stringable $message, int $delay = 0, array $headers = []): void
    {
        $merged = Headers::lists($headers) + $this->headers;
        $this->settle(self::answer(self::REQUEUE_TYPE, (string) $message, null, $delay, $merged));
    }

    /**
     * Whether it was said what became of it.
     */
    public function isSettled(): bool
    {
        return $this->settled;
    }

    private function settle(string $answer, bool $done = false): void
    {
        if ($this->settled || $this->turn !== $this->worker->turn()) {
            throw new AlreadyAnsweredException(
                $this->settled ? "job {$this->id} was settled already" : "job {$this->id} is over, another one has begun",
            );
        }
        $this->worker->respond('', $answer, 0, $done);
        $this->settled = true;
    }

    /**
     * @param array<int|string, list<string>> $headers
     */
    private static function answer(
        int $type,
        string $message,
        ?bool $requeue,
        int $delay,
        array $headers,
        bool|Retry|null $retry = null,
    ): string {
        $data = ['message' => $message];
        if ($requeue !== null) {
            $data['requeue'] = $requeue;
        }
        $data['delay_seconds'] = \max(0, $delay);
        if ($headers !== []) {
            $data['headers'] = (object) $headers;
        }
        if ($retry !== null && $retry !== true) {
            $data['retry'] = $retry === false ? false : (object) $retry->values();
        }

        return \json_encode(
            ['type' => $type, 'data' => $data],
            \JSON_THROW_ON_ERROR | \JSON_INVALID_UTF8_SUBSTITUTE,
        );
    }
}
