"""What an app on Dify may rely on."""

from fixtures.clients.dify import AppReply
from fixtures.model.requirement import requirement
from fixtures.steps.gateway.chat import LONG_TEXT
from fixtures.steps.gateway.conversations import CODE_WORD


@requirement("CHK-04", see="")
def test_the_app_s_streamed_answer_is_whole(streamed_app_reply: AppReply) -> None:
    assert streamed_app_reply.ok, f"expected a stream that ends well, got {streamed_app_reply.exchange.summary()}"
    assert LONG_TEXT in streamed_app_reply.text, f"expected the whole echo, the app said {streamed_app_reply.text!r}"


@requirement("CHK-04", see="")
def test_each_answer_names_its_own_conversation(first_app_reply: AppReply, streamed_app_reply: AppReply) -> None:
    named = [sorted(reply.conversations) for reply in (first_app_reply, streamed_app_reply)]
    assert [len(ids) for ids in named] == [1, 1], f"expected one conversation_id in each answer, got {named}"
    assert named[0] != named[1], f"expected two questions in conversations of their own, both are in {named[0]}"


@requirement("WIRE-38")
def test_an_app_s_instructions_reach_the_model(instructed_app: AppReply) -> None:
    said = instructed_app.text
    assert CODE_WORD in said, (
        f"expected {CODE_WORD} of the instructions, got {said!r}: {instructed_app.exchange.summary()}"
    )


@requirement("WIRE-39")
def test_an_app_remembers_its_conversation(remembering_app: AppReply) -> None:
    said = remembering_app.text
    assert CODE_WORD in said, (
        f"expected {CODE_WORD} of the first turn, got {said!r}: {remembering_app.exchange.summary()}"
    )
