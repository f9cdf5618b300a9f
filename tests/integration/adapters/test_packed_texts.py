import pickle

from donation_card.adapters.campaign_files.packed_texts import TextPack
from donation_card.domain.campaign import LANGUAGES, NeedText
from hypothesis import given, strategies as st

TEXTS = st.lists(st.dictionaries(st.sampled_from(LANGUAGES), st.text()))


@given(TEXTS)
def test_packed_texts_equal_the_given_ones(texts):
    pack = TextPack()
    packed = [pack.add(each) for each in texts]
    pack.close()
    assert [dict(each) for each in packed] == texts
    assert packed == texts
    assert repr(packed) == repr(texts)
    assert [[*each] for each in packed] == [[*each] for each in texts]
    assert [len(each) for each in packed] == [len(each) for each in texts]


def test_packed_texts_take_less_than_half_of_their_size():
    pack, story = TextPack(), {tag: NeedText(f"{tag}: the rent of a flat, " * 40) for tag in LANGUAGES}
    packed = pack.add({tag: (each.title,) for tag, each in story.items()}, NeedText)
    pack.close()
    assert 2 * len(pickle.dumps(pack)) < len(pickle.dumps(story))
    assert packed["be"].title == story["be"].title
