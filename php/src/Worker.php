<?php

declare(strict_types=1);

namespace RRJobs;

use RRJobs\Exception\AlreadyAnsweredException;
use RRJobs\Exception\ProtocolException;
use RRJobs\Exception\RelayException;
use RRJobs\Goridge\Frame;
use RRJobs\Goridge\FrameReader;
use RRJobs\Goridge\Relay;
use RRJobs\Goridge\RelayFactory;

/**
 * The worker's side of the conversation with the server: wait for a payload, answer it once, wait for the next.
 *
 * Behind a payload the server may write the next ones, and a pid request behind each: the answer to that request tells it
 * where one payload ends, and where the work on the next begins. So pid requests are answered strictly in their order, and only
 * when the program waits again. A program that says it is done with the payload saves a write: the request behind the payload,
 * when it is here already, is then answered in the same write as the payload.
 */
final class Worker
{
    private readonly FrameReader $reader;
    private readonly string $pid;

    /** The bytes of the last pid request: all requests of one server are alike. */
    private string $fence = "\0";

    private bool $owes = false;
    private int $turn = 0;
    private bool $streaming = false;

    public function __construct(private readonly Relay $relay)
    {
        $this->reader = new FrameReader($relay);
        $this->pid = Frame::plain('{"pid":' . \getmypid() . '}', Frame::CONTROL);
    }

    /**
     * A worker on the relay that the server names in RR_RELAY.
     *
     * @throws RelayException
     */
    public static function create(): self
    {
        $address = Environment::relay();
        $worker = new self(RelayFactory::open($address));
        if ($address === 'pipes') {
            StrayOutput::toStderr();
        }

        return $worker;
    }

    /**
     * The next payload; null when the worker has to end.
     *
     * @throws ProtocolException|RelayException the connection is lost; waiting again returns null
     */
    public function waitPayload(): ?Payload
    {
        $this->owes = $this->streaming = false;
        while (($frame = $this->reader->next()) !== null) {
            if ($frame->flags & Frame::CONTROL) {
                if (!$this->obey($frame)) {
                    return null;
                }
            } elseif (($frame->stream & (Frame::STOP | Frame::PONG)) === 0) {
                return $this->take($frame);
            }
        }

        return null;
    }

    /**
     * Answer the payload; with a stream, end it.
     *
     * @param int  $flags codec of the context, 0 without one
     * @param bool $done  nothing at all is done for this payload after this call
     *
     * @throws AlreadyAnsweredException
     * @throws RelayException
     */
    public function respond(string $context, string $body = '', int $flags = 0, bool $done = false): void
    {
        if (!$this->owes) {
            throw new AlreadyAnsweredException('there is nothing to answer: this payload was answered already');
        }
        $this->settle(Frame::data($context, $body, $flags), $done);
    }

    /**
     * Send a part of the answer; {@see respond} or {@see error} ends it.
     *
     * @return bool false when nobody listens any more: nothing was sent, end the stream
     *
     * @throws AlreadyAnsweredException
     * @throws RelayException
     */
    public function stream(string $context, string $body = '', int $flags = 0): bool
    {
        if (!$this->owes) {
            throw new AlreadyAnsweredException('there is nothing to answer: this payload was answered already');
        }
        if ($this->streaming && $this->reader->stopped()) {
            return false;
        }
        $this->streaming = true;
        $this->relay->write(Frame::data($context, $body, $flags, Frame::STREAM));

        return true;
    }

    /**
     * Fail the payload. When it was answered before, the message only goes to stderr, which the server logs.
     *
     * @throws RelayException
     */
    public function error(string $message): void
    {
        if ($this->owes) {
            $this->settle(Frame::plain($message, Frame::ERROR));
        } else {
            \file_put_contents('php://stderr', "error after the answer: {$message}\n");
        }
    }

    /**
     * Hand the payload back and ask for the end: the server gives it to another worker and stops this one.
     *
     * @throws AlreadyAnsweredException
     * @throws RelayException
     */
    public function stop(): void
    {
        $this->respond('{"stop":true}');
    }

    /**
     * Whether the payload waits for its answer, or for the rest of it.
     */
    public function owesAnswer(): bool
    {
        return $this->owes;
    }

    /**
     * The number of the payload that was taken last: an answer kept for later must not be given to another payload.
     */
    public function turn(): int
    {
        return $this->turn;
    }

    private function settle(string $answer, bool $done = false): void
    {
        $this->owes = $this->streaming = false;
        $fences = $done ? $this->reader->skip($this->fence) : 0;
        if ($fences === 1) {
            $answer .= $this->pid;
        } elseif ($fences > 1) {
            $answer .= \str_repeat($this->pid, $fences);
        }
        $this->relay->write($answer);
    }

    private function take(Frame $frame): Payload
    {
        $length = \strlen($frame->payload);
        if ($frame->words !== 4 || $frame->option > $length) {
            throw new ProtocolException("a payload of {$length} bytes without the length of its context in range");
        }
        $this->owes = true;
        ++$this->turn;

        return new Payload(
            \substr($frame->payload, 0, $frame->option),
            \substr($frame->payload, $frame->option),
            $frame->flags,
        );
    }

    /**
     * Follow a control frame; false for the command to end.
     */
    private function obey(Frame $frame): bool
    {
        $command = \json_decode($frame->payload, true);
        if (!\is_array($command)) {
            throw new ProtocolException('a control frame that is no JSON object: ' . \substr($frame->payload, 0, 200));
        }
        if ($command['stop'] ?? false) {
            return false;
        }
        if ($command['pid'] ?? false) {
            $this->fence = Frame::plain($frame->payload, $frame->flags);
            $this->relay->write(\str_repeat($this->pid, 1 + $this->reader->skip($this->fence)));

            return true;
        }
        throw new ProtocolException('an unknown control frame: ' . \substr($frame->payload, 0, 200));
    }
}
