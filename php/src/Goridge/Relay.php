<?php

declare(strict_types=1);

namespace RRJobs\Goridge;

use RRJobs\Exception\RelayException;

/**
 * Bytes from and to the server, over a pair of pipes or one socket.
 */
final class Relay
{
    private const CHUNK_BYTES = 65536;
    private const BIG_CHUNK_BYTES = 1048576;
    private const FOR_EVER_S = 31536000;

    /**
     * @param resource   $in
     * @param resource   $out
     * @param float|null $timeout seconds a read or a write on a socket may wait; null waits for ever
     */
    public function __construct(private $in, private $out, private readonly ?float $timeout = null)
    {
        \stream_set_blocking($in, true);
        \stream_set_blocking($out, true);
        \stream_set_read_buffer($in, 0);
        \stream_set_write_buffer($out, 0);
        $seconds = $timeout ?? self::FOR_EVER_S;
        \stream_set_timeout($in, (int) $seconds, (int) (($seconds - (int) $seconds) * 1e6));
    }

    /**
     * What is there, waiting only while there is nothing; the empty string at the end of the stream.
     *
     * @param int $wanted how many bytes would be of use now; more or fewer may come
     *
     * @throws RelayException when the time is over
     */
    public function read(int $wanted = 0): string
    {
        $most = $wanted > self::CHUNK_BYTES ? \min($wanted, self::BIG_CHUNK_BYTES) : self::CHUNK_BYTES;
        while (true) {
            $bytes = @\fread($this->in, $most);
            if (\is_string($bytes) && $bytes !== '') {
                return $bytes;
            }
            if ($bytes === false || \feof($this->in)) {
                return '';
            }
            if ($this->timeout !== null && \stream_get_meta_data($this->in)['timed_out']) {
                throw new RelayException("no answer in {$this->timeout} s");
            }
        }
    }

    /**
     * Write everything.
     *
     * @throws RelayException when the other side is gone
     */
    public function write(string $bytes): void
    {
        $written = @\fwrite($this->out, $bytes);
        $length = \strlen($bytes);
        while ($written !== $length) {
            if (!$written) {
                throw new RelayException('cannot write to the server: ' . (\error_get_last()['message'] ?? 'it is gone'));
            }
            $bytes = \substr($bytes, $written);
            $length = \strlen($bytes);
            $written = @\fwrite($this->out, $bytes);
        }
    }

    /**
     * Whether a read would not wait; the end of the stream counts.
     */
    public function readable(): bool
    {
        $read = [$this->in];
        $none = null;

        return @\stream_select($read, $none, $none, 0) > 0;
    }

    public function close(): void
    {
        foreach ([$this->in, $this->out] as $stream) {
            if (\is_resource($stream)) {
                \fclose($stream);
            }
        }
    }
}
