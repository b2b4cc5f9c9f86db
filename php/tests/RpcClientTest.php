<?php

declare(strict_types=1);

namespace RRJobs\Tests;

use PHPUnit\Framework\TestCase;
use RRJobs\Exception\ProtocolException;
use RRJobs\Exception\RelayException;
use RRJobs\Exception\ServiceException;
use RRJobs\Rpc\Client;
use RRJobs\Rpc\Codec;

final class RpcClientTest extends TestCase
{
    private RpcStub $server;
    private Client $client;

    protected function setUp(): void
    {
        $this->server = new RpcStub();
        $this->client = $this->server->client();
    }

    protected function tearDown(): void
    {
        $this->client->close();
        $this->server->kill();
    }

    /**
     * @dataProvider values
     */
    public function testAValueComesBack(mixed $value, Codec $codec): void
    {
        self::assertSame($value, $this->client->call('test.Echo', $value, $codec));
    }

    /**
     * @return iterable<array{mixed, Codec}>
     */
    public function values(): iterable
    {
        yield [['a' => [1, null, true]], Codec::Json];
        yield [null, Codec::Json];
        yield ['', Codec::Json];
        yield ["\0\xff", Codec::Raw];
        yield ['', Codec::Proto];
        yield [str_repeat('big', 1 << 20), Codec::Raw];
    }

    public function testSequenceNumbersGoUpAndTheCodecIsInTheFlags(): void
    {
        $first = hex2bin($this->client->call('test.Frame', 'x'));
        $second = hex2bin($this->client->call('test.Frame', 'x'));
        self::assertSame("\x15\x08", substr($first, 0, 2));
        self::assertSame(unpack('V', $first, 12)[1] + 1, unpack('V', $second, 12)[1]);
        self::assertSame('test.Frame"x"', substr($second, 20));
    }

    public function testItWorksOverAUnixSocket(): void
    {
        $path = sys_get_temp_dir() . '/rrjobs-' . bin2hex(random_bytes(4)) . '.sock';
        $server = new RpcStub("unix://{$path}");
        self::assertSame(5, $server->client()->call('test.Echo', 5));
        $server->kill();
        unlink($path);
    }

    public function testAnErrorIsAServiceExceptionAndTheConnectionLives(): void
    {
        try {
            $this->client->call('test.Error', "no such storage:\n\tx", Codec::Raw);
            self::fail('an error was taken for a result');
        } catch (ServiceException $error) {
            self::assertSame(["no such storage:\n\tx", 'test.Error'], [$error->text, $error->method]);
            self::assertSame("Error 'no such storage:\n\tx' on {$this->server->address}", $error->getMessage());
        }
        self::assertSame(1, $this->client->call('test.Echo', 1));
    }

    public function testManyCallsKeepTheirOrderHoweverTheyAreAnswered(): void
    {
        self::assertSame(['a', 'b'], $this->client->callMany([['test.Swap', 'a'], ['test.Swap', 'b']]));
        $calls = array_map(static fn (int $number) => ['test.Echo', $number], range(1, 500));
        self::assertSame(range(1, 500), $this->client->callMany($calls));
        self::assertSame([], $this->client->callMany([]));
    }

    public function testManyBigCallsDoNotBlockEachOther(): void
    {
        $big = str_repeat('x', 300_000);
        $results = $this->client->callMany(array_fill(0, 20, ['test.Echo', $big]), Codec::Raw);
        self::assertSame(array_fill(0, 20, $big), $results);
    }

    public function testARefusedCallAmongManyIsItsException(): void
    {
        [$one, $two, $three] = $this->client->callMany([['test.Echo', 1], ['test.Error', 2], ['test.Echo', 3]]);
        self::assertSame([1, 3], [$one, $three]);
        self::assertInstanceOf(ServiceException::class, $two);
    }

    /**
     * @dataProvider wrongAnswers
     *
     * @param class-string<\Throwable> $expected
     */
    public function testAWrongAnswerIsAnErrorAndTheNextCallStartsAfresh(string $method, string $expected): void
    {
        $client = $this->server->client(0.3);
        try {
            $client->call($method, 'x');
            self::fail("{$method} was taken for a result");
        } catch (ProtocolException | RelayException $error) {
            self::assertInstanceOf($expected, $error);
        }
        self::assertSame('next', $client->call('test.Echo', 'next'));
    }

    /**
     * @return iterable<array{string, class-string<\Throwable>}>
     */
    public function wrongAnswers(): iterable
    {
        yield ['test.Foreign', ProtocolException::class];
        yield ['test.Bare', ProtocolException::class];
        yield ['test.Codec', ProtocolException::class];
        yield ['test.Empty', ProtocolException::class];
        yield ['test.Junk', ProtocolException::class];
        yield ['test.Silent', RelayException::class];
        yield ['test.Close', RelayException::class];
        yield ['test.Half', RelayException::class];
    }

    public function testAServerThatWasRestartedIsFoundAgain(): void
    {
        self::assertSame(1, $this->client->call('test.Echo', 1));
        $address = $this->server->address;
        $this->server->kill();
        $this->server = new RpcStub($address);
        self::assertSame(2, $this->client->call('test.Echo', 2));
    }

    public function testAServerThatIsNotThereIsNamed(): void
    {
        $this->expectException(RelayException::class);
        $this->expectExceptionMessage('tcp://127.0.0.1:1');
        (new Client('tcp://127.0.0.1:1'))->call('test.Echo');
    }

    public function testNothingIsSentWhenTheArgumentCannotBeWritten(): void
    {
        try {
            $this->client->call('test.Echo', "\xff");
            self::fail('bytes were sent as JSON');
        } catch (\JsonException) {
            self::assertSame(1, $this->client->call('test.Echo', 1));
        }
    }
}
