"""What a Dify app streams."""

from fixtures.dify import AppReply
from fixtures.evidence.checklist import LONG_TEXT
from suites.requirements import requirement


@requirement("CHK-04")
def test_the_app_s_streamed_answer_is_whole(streamed_app_reply: AppReply) -> None:
    assert streamed_app_reply.ok, f"expected a stream that ends well, got {streamed_app_reply.exchange.summary()}"
    assert LONG_TEXT in streamed_app_reply.text, f"expected the whole echo, the app said {streamed_app_reply.text!r}"
