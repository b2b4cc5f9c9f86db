<?php

declare(strict_types=1);

namespace RRJobs\Tests;

use PHPUnit\Framework\TestCase;
use RRJobs\Exception\AlreadyAnsweredException;
use RRJobs\Exception\StreamStoppedException;
use RRJobs\Http\HttpWorker;
use RRJobs\Http\Request;
use RRJobs\Http\Response;
use RRJobs\Worker;

final class HttpWorkerTest extends TestCase
{
    private const HEAD = '{"status":200,"headers":{"X":["1"]}}';

    private Loopback $server;
    private HttpWorker $http;

    protected function setUp(): void
    {
        $this->server = new Loopback();
        $this->http = new HttpWorker(new Worker($this->server->relay));
    }

    /**
     * @return array{int, int, string, string} flags, stream bits, context, body
     */
    private static function parts(array $frame): array
    {
        $cut = $frame['options'][0] ?? 0;

        return [$frame['flags'], $frame['stream'], substr($frame['payload'], 0, $cut), substr($frame['payload'], $cut)];
    }

    /**
     * @return list<array{int, int, string, string}>
     */
    private function answers(): array
    {
        return array_map(self::parts(...), $this->server->frames());
    }

    /**
     * @dataProvider codecs
     */
    public function testTheAnswerIsInTheCodecOfTheRequest(string $request, int $flag, string $head): void
    {
        $this->server->send($request);
        self::assertSame('GET', $this->http->waitRequest()->method);
        $this->http->respond(200, 'Hi', ['X-A' => '1']);
        self::assertSame([[$flag, 0, $head, 'Hi']], $this->answers());
    }

    /**
     * @return iterable<string, array{string, int, string}>
     */
    public function codecs(): iterable
    {
        $proto = hex2bin('0a093132372e302e302e311208485454502f312e311a03474554220d687474703a2f2f682f3f613d31');
        $json = '{"status":200,"headers":{"X-A":["1"]}}';
        $answer = hex2bin('08c801120a0a03582d4112030a0131');
        yield 'JSON by its flag' => [Wire::request(), 0x08, $json];
        yield 'JSON without a flag' => [Wire::request([], '', 0), 0x08, $json];
        yield 'protobuf by its flag' => [Wire::frame($proto, 0x80, 0, strlen($proto)), 0x80, $answer];
        yield 'protobuf without a flag' => [Wire::frame($proto, 0, 0, strlen($proto)), 0x80, $answer];
    }

    public function testHeadersMayBeTextsNumbersAndLists(): void
    {
        $this->server->send(Wire::request());
        $this->http->waitRequest();
        $this->http->respond(404, '', ['A' => 'x', 'B' => 5, 'C' => ['y', 6], 'D' => []]);
        self::assertSame('{"status":404,"headers":{"A":["x"],"B":["5"],"C":["y","6"],"D":[]}}', $this->answers()[0][2]);
    }

    public function testABrokenRequestFailsAloneAndTheNextIsServed(): void
    {
        $this->server->send(Wire::frame('{', 0x08, 0, 1), Wire::request(['method' => 'PUT'], 'body'));
        $request = $this->http->waitRequest();
        self::assertSame(['PUT', 'body'], [$request->method, $request->body]);
        self::assertSame(0x40, $this->server->frames()[0]['flags']);
    }

    public function testAStreamHasItsHeadInTheFirstPartAndEndsWithTheReturnValue(): void
    {
        $this->server->send(Wire::request());
        $this->http->waitRequest();
        $this->http->respond(200, (static function () {
            yield 'one';
            yield 'two';

            return 'three';
        })(), ['X' => '1']);
        self::assertSame(
            [[0x08, 1, self::HEAD, 'one'], [0, 1, '', 'two'], [0, 0, '', 'three']],
            $this->answers(),
        );
    }

    public function testAStreamWithoutPartsIsOnePlainAnswer(): void
    {
        foreach ([new \ArrayIterator([]), (static fn () => yield from [])()] as $parts) {
            $this->server->send(Wire::request());
            $this->http->waitRequest();
            $this->http->respond(200, $parts, ['X' => '1']);
            self::assertSame([[0x08, 0, self::HEAD, '']], $this->answers());
        }
    }

    public function testAGeneratorLearnsThatNobodyListens(): void
    {
        $this->server->send(Wire::request(), Wire::fence(), Wire::request(['method' => 'PUT']));
        $this->http->waitRequest();
        $learned = false;
        $this->http->respond(200, (function () use (&$learned) {
            try {
                yield 'one';
                $this->server->send(Wire::streamStop());
                yield 'two';
            } catch (StreamStoppedException) {
                $learned = true;
            }
        })(), ['X' => '1']);
        self::assertTrue($learned);
        self::assertSame([[0x08, 1, self::HEAD, 'one'], [0, 0, '', '']], $this->answers());
        self::assertSame('PUT', $this->http->waitRequest()->method);
    }

    public function testAGeneratorThatDoesNotCareEndsAsWell(): void
    {
        $this->server->send(Wire::request());
        $this->http->waitRequest();
        $this->http->respond(200, (function () {
            yield 'one';
            $this->server->send(Wire::streamStop());
            yield 'two';
            yield 'three';
        })());
        self::assertSame(['one', ''], array_column($this->answers(), 3));
    }

    public function testAStreamThatFailsCanBeFailed(): void
    {
        $this->server->send(Wire::request());
        $this->http->waitRequest();
        try {
            $this->http->respond(200, (static function () {
                yield 'one';
                throw new \DomainException('broken');
            })());
            self::fail('the exception was swallowed');
        } catch (\DomainException $error) {
            $this->http->error($error->getMessage());
        }
        self::assertSame([[0x08, 1, '{"status":200,"headers":{}}', 'one'], [0x40, 0, '', 'broken']], $this->answers());
    }

    public function testInterimAnswersComeBeforeTheAnswer(): void
    {
        $this->server->send(Wire::request());
        $this->http->waitRequest();
        $this->http->interim(103, ['Link' => '</a.css>']);
        $this->http->respond(200, 'Hi', ['X' => '1']);
        self::assertSame(
            [[0x08, 1, '{"status":103,"headers":{"Link":["<\/a.css>"]}}', ''], [0x08, 0, self::HEAD, 'Hi']],
            $this->answers(),
        );
    }

    /**
     * @dataProvider wrongStatuses
     */
    public function testAStatusOutOfItsPlaceIsRefusedAndSendsNothing(string $method, int $status): void
    {
        $this->server->send(Wire::request());
        $this->http->waitRequest();
        try {
            $this->http->$method($status);
            self::fail("{$method}({$status}) was sent");
        } catch (\InvalidArgumentException) {
            $this->http->respond(204);
            self::assertCount(1, $this->server->frames());
        }
    }

    /**
     * @return iterable<array{string, int}>
     */
    public function wrongStatuses(): iterable
    {
        yield ['respond', 0];
        yield ['respond', 103];
        yield ['respond', 600];
        yield ['interim', 99];
        yield ['interim', 200];
    }

    public function testASecondAnswerIsRefused(): void
    {
        $this->server->send(Wire::request());
        $this->http->waitRequest();
        $this->http->respond(200);
        $this->expectException(AlreadyAnsweredException::class);
        $this->http->respond(200);
    }

    public function testServingAnswersWithWhatTheHandlerReturns(): void
    {
        $this->server->send(Wire::fence(), Wire::request(), Wire::fence(), Wire::request(['method' => 'PUT']), Wire::fence());
        $this->server->send(Wire::request(['method' => 'LIST']), Wire::fence(), Wire::end());
        $this->http->serve(static fn (Request $request) => match ($request->method) {
            'GET' => new Response(200, 'Hi', ['X' => 1]),
            'PUT' => throw new \DomainException('no'),
            'LIST' => new Response(200, ['a', 'b'], ['X' => 1]),
        });
        $answers = $this->answers();
        self::assertSame([0x01, 0x08, 0x01, 0x40, 0x01, 0x08, 0x00, 0x00, 0x01], array_column($answers, 0));
        self::assertSame([0x08, 0, self::HEAD, 'Hi'], $answers[1]);
        self::assertStringContainsString('DomainException: no', $answers[3][3]);
        self::assertSame([[0x08, 1, self::HEAD, 'a'], [0, 1, '', 'b'], [0, 0, '', '']], array_slice($answers, 5, 3));
    }

    public function testTheCommandToEndIsNull(): void
    {
        $this->server->send(Wire::end());
        self::assertNull($this->http->waitRequest());
    }
}
