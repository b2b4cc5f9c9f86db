<?php

declare(strict_types=1);

namespace RRJobs\Goridge;

use RRJobs\Exception\ProtocolException;
use RRJobs\Exception\RelayException;

/**
 * Cuts what a relay delivers into frames.
 *
 * The server writes several frames ahead. They are read in big chunks and kept here, so a frame that waits costs no system
 * call; a read happens only when no whole frame is left.
 */
final class FrameReader
{
    private const REMEMBERED = 256;
    private const BIG_BYTES = 1048576;

    private string $buffer = '';
    private int $position = 0;

    /** Where the search for a stream stop goes on. */
    private int $searched = 0;

    private bool $ended = false;

    /** @var array<string, array{int, int}> the first ten bytes of recent frames: header words, length of the whole */
    private array $known = [];

    public function __construct(private readonly Relay $relay)
    {
    }

    /**
     * The next frame; null when the server closed the relay between two frames.
     *
     * After an exception nothing more can be read: the next call returns null.
     *
     * @throws ProtocolException|RelayException
     */
    public function next(): ?Frame
    {
        $missing = $this->missing($this->position);
        while ($missing > 0) {
            if (!$this->fill($missing)) {
                return $this->atEnd();
            }
            $missing = $this->missing($this->position);
        }

        return $this->cut();
    }

    /**
     * Step over frames with exactly these bytes that are here already, and say how many there were.
     */
    public function skip(string $frame): int
    {
        $length = \strlen($frame);
        if (\strlen($this->buffer) === $this->position + $length && \str_ends_with($this->buffer, $frame)) {
            $this->buffer = ''; // nothing is left to keep: the usual case without prefetch
            $this->position = $this->searched = 0;

            return 1;
        }
        $count = 0;
        while (\substr_compare($this->buffer, $frame, $this->position, $length) === 0) {
            $this->position += $length;
            ++$count;
        }

        return $count;
    }

    /**
     * Whether a stream stop has come, or the server is gone. Takes the stop out; everything else keeps its place. Never waits.
     */
    public function stopped(): bool
    {
        $this->searched = \max($this->searched, $this->position);
        do {
            while ($this->missing($this->searched) <= 0) {
                [$words, $length] = $this->known[\substr($this->buffer, $this->searched, 10)];
                if ($words === 3 && \ord($this->buffer[$this->searched + 10]) & Frame::STOP) {
                    $this->buffer = \substr_replace($this->buffer, '', $this->searched, $length);

                    return true;
                }
                $this->searched += $length;
            }
        } while ($this->relay->readable() && $this->fill(0));

        return $this->ended;
    }

    /**
     * How many bytes the frame at this place still lacks, as far as is known.
     */
    private function missing(int $at): int
    {
        $here = \strlen($this->buffer) - $at;
        if ($here < Frame::HEADER_BYTES) {
            return Frame::HEADER_BYTES - $here;
        }
        $head = \substr($this->buffer, $at, 10);

        return ($this->known[$head] ?? $this->learn($head))[1] - $here;
    }

    private function fill(int $missing): bool
    {
        if ($this->ended) {
            return false;
        }
        $this->forget();
        $bytes = $this->relay->read($missing);
        if ($bytes === '') {
            $this->ended = true;

            return false;
        }
        $this->buffer .= $bytes;

        return true;
    }

    private function cut(): Frame
    {
        [$words, $length] = $this->known[\substr($this->buffer, $this->position, 10)];
        $at = $this->position;
        $header = $words * 4;
        $this->position = $at + $length;
        $frame = new Frame(
            \ord($this->buffer[$at + 1]),
            \ord($this->buffer[$at + 10]),
            $words,
            $words > 3 ? \unpack('V', $this->buffer, $at + 12)[1] : 0,
            \substr($this->buffer, $at + $header, $length - $header),
            $words > 4 ? \unpack('V', $this->buffer, $at + 16)[1] : 0,
        );
        if ($length > self::BIG_BYTES) {
            $this->forget(); // or its memory would be held for as long as the program works on it
        }

        return $frame;
    }

    /**
     * Drop what was taken out.
     */
    private function forget(): void
    {
        if ($this->position > 0) {
            $this->buffer = \substr($this->buffer, $this->position);
            $this->searched = \max(0, $this->searched - $this->position);
            $this->position = 0;
        }
    }

    /**
     * @return array{int, int}
     */
    private function learn(string $head): array
    {
        ['bits' => $bits, 'length' => $length, 'crc' => $crc] = \unpack('Cbits/Cflags/Vlength/Vcrc', $head);
        $words = $bits & 0x0F;
        if ($words < 3 || $words > Frame::MAX_HEADER_WORDS || $crc !== \crc32(\substr($head, 0, 6))) {
            $this->giveUp();
            throw new ProtocolException('the server sent bytes that are no frame: ' . \bin2hex($head));
        }
        if (\count($this->known) >= self::REMEMBERED) {
            $this->known = [];
        }

        return $this->known[$head] = [$words, $words * 4 + $length];
    }

    private function atEnd(): ?Frame
    {
        $left = \strlen($this->buffer) - $this->position;
        $this->giveUp();
        if ($left > 0) {
            throw new RelayException("the server closed the relay in the middle of a frame, {$left} bytes of it came");
        }

        return null;
    }

    private function giveUp(): void
    {
        $this->ended = true;
        $this->buffer = '';
        $this->position = $this->searched = 0;
    }
}
