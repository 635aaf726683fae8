"""Links show what they lead to: equations, theorems, terms and works, on any page."""

import tips

ONE = """
<article>
<h1 id="title">One</h1>
<a class="reference internal" href="#equation-a">(1.1)</a>
<a class="reference internal" href="two.html#term-rich">rich</a>
<a class="reference internal" href="two.html#id3">Knuth</a>
<a class="reference internal" href="two.html#section">A section</a>
<a class="reference internal" href="two.html#gone">Gone</a>
<a class="reference internal" href="two.html">Two</a>
<div class="math" id="equation-a">
<span class="eqno">(1.1)<a class="headerlink" href="#equation-a">#</a></span>x</div>
</article>
"""
TWO = """
<article>
<section id="section"><h1>Two</h1></section>
<dl><dt id="term-rich">rich</dt><dd><p>Learns <a href="x.html" id="y">features</a>.</p></dd></dl>
<dl><dt id="ptft.Task">Task</dt><dd><p>A pair of tasks.</p></dd></dl>
<a class="reference internal" href="#ptft.Task">Task</a>
<div class="citation" id="id3"><p>Knuth, 1984.</p></div>
<div class="proof theorem admonition" id="long">%s</div>
<a class="reference internal" href="#long">long</a>
<figure id="fig"><img alt="x"><figcaption><p>See it.</p></figcaption></figure>
<a class="reference internal" href="two.html#fig">Fig. 1</a>
</article>
""" % ("word " * 2000)


def test_tips():
    found = tips.scripts({"book/one.html": ONE, "book/two.html": TWO})
    assert found["book/one.html"] == {
        "#equation-a": '<span class="eqno">(1.1)</span>x',
        "two.html#term-rich": "<p>Learns <span>features</span>.</p>",
        "two.html#id3": "<p>Knuth, 1984.</p>",
    }
    assert found["book/two.html"] == {"two.html#fig": "<p>See it.</p>"}
