"""The comparison in a browser: methods, images by disagreement, zoom, the border, and a site without pictures."""

from urllib.parse import parse_qs, urlsplit

import pytest

NAME = "bdi.label"


def state(page):
    return {key: value for key, (value,) in parse_qs(urlsplit(page.url).fragment).items()}


def images(page):
    page.locator("#images tbody tr").first.wait_for()
    return page.locator("#images tbody th bdi").all_inner_texts()


def labels(page):
    return page.locator(f"#viewer figcaption {NAME}").all_inner_texts()


def scores(site, name, measure="psnr"):
    (entry,) = [entry for entry in site.entries if entry.id == site.ids[name]]
    return {image.stem: getattr(image.deformed_gt, measure) for image in entry.result.images}


def compare(site, *names, state=""):
    return site.compare(state=f"m={','.join(site.ids[name] for name in names)}{state}")


def places(page):
    """Of every picture: its left and top edge and its width, in widths of its frame."""
    return page.locator("#viewer .frame img").evaluate_all(
        """all => all.map((image) => {
          const [a, b] = [image.getBoundingClientRect(), image.closest(".frame").getBoundingClientRect()];
          return [(a.left - b.left) / b.width, (a.top - b.top) / b.height, a.width / b.width];
        })"""
    )


def test_images_on_which_methods_disagree_most_come_first_with_their_numbers(open_page, site):
    page = open_page(compare(site, "input", "bright"))
    first, second = scores(site, "input"), scores(site, "bright")
    expected = sorted(first, key=lambda stem: -abs(first[stem] - second[stem]))
    assert images(page) == expected
    row = page.locator("#images tbody tr").first.locator("td").all_inner_texts()
    stem = expected[0]
    assert row == [f"{abs(first[stem] - second[stem]):.2f}", f"{first[stem]:.2f}", f"{second[stem]:.2f}"]
    page.locator("#measure").select_option("ssim_deformed_gt")
    first, second = scores(site, "input", "ssim"), scores(site, "bright", "ssim")
    assert images(page) == sorted(first, key=lambda stem: -abs(first[stem] - second[stem]))
    assert state(page)["by"] == "ssim_deformed_gt"


def test_the_pictures_are_those_of_the_methods_chosen_with_their_numbers(open_page, site):
    page = open_page(compare(site, "bright", "input"))
    stem = images(page)[0]
    assert labels(page) == ["bright", "input", "Deformed GT"]
    assert page.locator("#stage-title").inner_text() == stem
    assert f"PSNR {scores(site, 'bright')[stem]:.2f}" in page.locator("#viewer figcaption").first.inner_text()
    loaded = page.locator("#viewer img").evaluate_all(
        "all => Promise.all(all.map((image) => image.decode().then(() => image.naturalWidth)))"
    )
    assert loaded == [160, 160, 160]
    page.get_by_label("Methods show").select_option("error")
    page.get_by_label("beside").select_option("flow")
    alternatives = page.locator("#viewer img").evaluate_all("all => all.map((image) => image.alt)")
    assert alternatives == ["Error map of bright", "Error map of input", "Flow"]
    assert "from 0 (black) to 0.2 and more" in page.locator(".keys-line").inner_text()
    again = open_page(page.url)
    images(again)
    assert again.locator("#viewer img").first.get_attribute("alt") == "Error map of bright"


def test_methods_are_added_changed_and_removed(open_page, site):
    page = open_page(compare(site, "input"))
    images(page)
    assert page.locator("#list-note").inner_text().startswith("3 images, the worst first")
    page.get_by_label("Method B").select_option(site.ids["bright"])
    page.locator("#images thead th").nth(3).wait_for()
    page.get_by_label("Method A").select_option("")
    page.locator("#images thead th").nth(2).wait_for(state="detached")
    assert state(page)["m"] == site.ids["bright"]
    assert labels(page)[0] == "bright"


def test_all_pictures_zoom_and_move_together_and_the_link_keeps_it(open_page, site):
    page = open_page(compare(site, "input", "bright"))
    images(page)
    frames = page.locator("#viewer .frame")
    assert places(page) == [[0, 0, 1]] * 3
    page.get_by_role("button", name="Zoom in").click()
    assert places(page) == [pytest.approx([-0.25, -0.25, 1.5], abs=0.01)] * 3
    box = frames.nth(1).bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + box["width"] * 0.1, middle[1], steps=4)
    page.mouse.up()
    assert places(page) == [pytest.approx([-0.15, -0.25, 1.5], abs=0.02)] * 3
    frames.nth(0).press("+")
    assert [place[2] for place in places(page)] == [pytest.approx(2.25)] * 3
    before = places(page)
    frames.nth(0).press("ArrowRight")
    assert [place[0] for place in places(page)] == [pytest.approx(before[0][0] - 0.1, abs=0.01)] * 3
    kept = places(page)
    again = open_page(page.url)
    images(again)
    assert places(again) == [pytest.approx(place, abs=0.01) for place in kept]
    page.get_by_role("button", name="Whole picture").click()
    assert places(page) == [[0, 0, 1]] * 3


def test_the_wheel_zooms_about_the_pointer_only_with_ctrl_or_after_a_click(open_page, site):
    page = open_page(compare(site, "input", "bright"))
    images(page)
    box = page.locator("#viewer .frame").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.5)
    page.mouse.wheel(0, -300)
    page.wait_for_timeout(100)
    assert places(page)[0] == [0, 0, 1]
    page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.5)
    page.mouse.wheel(0, -300)
    page.get_by_text("182 %").wait_for()
    left, _, width = places(page)[0]
    assert left + 0.25 * width == pytest.approx(0.25, abs=0.01)


def split(page):
    return page.locator("#viewer .frame").evaluate(
        "frame => 100 * (frame.querySelector('.handle').getBoundingClientRect().x + 1"
        " - frame.getBoundingClientRect().x) / frame.clientWidth"
    )


def test_the_border_moves_by_mouse_and_by_keyboard_and_hides_what_is_behind_it(open_page, site):
    page = open_page(compare(site, "input", "bright"))
    images(page)
    page.get_by_role("button", name="Slider").click()
    assert state(page)["view"] == "slider"
    assert page.locator("#viewer .tag").all_inner_texts() == ["A Prediction", "B Prediction"]
    assert split(page) == pytest.approx(50, abs=0.5)
    box = page.locator("#viewer .frame").bounding_box()
    y = box["y"] + box["height"] * 0.3
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.2, y, steps=5)
    page.mouse.up()
    assert split(page) == pytest.approx(20, abs=1)
    slider = page.get_by_role("slider", name="Border between Prediction of input and Prediction of bright")
    before = split(page)
    for _ in range(10):
        slider.press("ArrowRight")
    assert split(page) == pytest.approx(before + 5, abs=0.6)
    slider.press("End")
    clip = page.locator("#viewer .half.left").evaluate("half => getComputedStyle(half).clipPath")
    assert clip == "inset(0px 0% 0px 0px)"
    page.locator("select[data-name=left]").select_option("gt")
    assert page.locator("#viewer .tag").first.inner_text() == "GT"


def test_images_are_stepped_through_in_the_order_of_the_list(open_page, site):
    page = open_page(compare(site, "input", "bright"))
    order = images(page)
    assert page.get_by_role("button", name="Previous image").is_disabled()
    page.get_by_role("button", name="Next image").click()
    assert page.locator("#stage-title").inner_text() == order[1]
    assert page.locator("#position").inner_text() == "2 of 3"
    assert state(page)["image"] == order[1]
    page.locator("#images tbody button").nth(2).click()
    assert page.locator("#stage-title").inner_text() == order[2]
    assert page.locator("#images button[aria-current]").inner_text() == order[2]
    again = open_page(page.url)
    assert images(again) == order
    assert again.locator("#stage-title").inner_text() == order[2]


def test_a_method_without_pictures_says_so_beside_those_that_have_them(open_page, site):
    page = open_page(compare(site, "input", "dark"))
    images(page)
    assert page.locator("#viewer .frame.none").inner_text() == "No pictures of this method in this site."
    assert page.locator("#viewer img").count() == 2
    assert "PSNR" in page.locator("#viewer figcaption").nth(1).inner_text()


def test_without_any_picture_the_table_works_and_the_page_says_how_to_add_them(open_page, site):
    page = open_page(compare(site, "dark"))
    order = images(page)
    assert set(order) == set(scores(site, "dark"))
    note = page.get_by_role("note")
    assert "no pictures of dark" in note.inner_text()
    assert "--predictions ENTRY=FOLDER" in note.inner_text()
    assert page.locator("#viewer img").count() == 0
    shown = page.locator("#viewer table td").all_inner_texts()
    assert f"{scores(site, 'dark')[order[0]]:.2f}" in shown


def test_methods_of_the_table_are_compared_on_data_alone(open_page, site):
    page = open_page(site.compare("data"))
    assert len(images(page)) == 8
    page.get_by_label("Method C").select_option(
        label="<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"> (no pictures)"
    )
    page.locator("#images thead th").nth(4).wait_for()
    assert page.title().startswith("Compare on data")
    assert page.locator("#viewer tbody th bdi").nth(2).inner_text().startswith("<script>")


def test_a_link_to_methods_that_are_gone_still_opens(open_page, site):
    page = open_page(site.compare(state=f"m=gone,{site.ids['input']}&image=nothing&at=x:y&by=z&show=none"))
    assert len(images(page)) == 3
    assert labels(page)[0] == "input"
    page = open_page(site.compare(state="m=none"))
    assert page.get_by_text("Choose a method.").is_visible()
